# Two images from one file. `docker build --target api .` has no model library and is small;
# `docker build --target worker .` adds torch with CUDA (give --build-arg TORCH=… for another build).
FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /srv/acestep
# Fixed numbers, so that volumes can be prepared for this user.
RUN groupadd --gid 10001 acestep \
 && useradd --uid 10001 --gid acestep --no-create-home --home-dir /data acestep \
 && install --directory --owner acestep --group acestep /data /scratch
ENV HOME=/data ACESTEP_DATA_DIR=/data ACESTEP_TMPDIR=/scratch ACESTEP_ENV=production
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY workers workers
COPY inference inference
COPY migrations migrations

FROM base AS api
RUN pip install .
USER 10001:10001
ENV ACESTEP_API_HOST=0.0.0.0
EXPOSE 8001
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8001/health', timeout=4)"]
ENTRYPOINT ["acestep-service"]
CMD ["api"]

FROM base AS worker
ARG TORCH=torch==2.13.0
# hadolint ignore=DL3013
RUN pip install "${TORCH}" && pip install ".[inference]"
USER 10001:10001
ENTRYPOINT ["acestep-service"]
CMD ["worker"]
