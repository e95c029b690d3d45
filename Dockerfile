# Katydid's worker (and any other command of `katydid`). Build: docker build -t katydid:0.1.0 .
# Two stages: compilers, pip and its cache stay behind in the first.
ARG PYTHON=python:3.11.13-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/katydid
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY sensors sensors
COPY models models
COPY streams streams
COPY edge edge
# s3fs: media over 8 MiB in an object store.
RUN /opt/katydid/bin/pip install -c constraints.txt '.[kafka]' s3fs

FROM ${PYTHON}
LABEL org.opencontainers.image.title="katydid" org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/katydid/bin:$PATH HOME=/var/lib/katydid PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --uid 10001 --user-group --home-dir /var/lib/katydid --create-home --shell /usr/sbin/nologin katydid
COPY --from=build /opt/katydid /opt/katydid
USER 10001:10001
WORKDIR /var/lib/katydid
EXPOSE 9477
# Alive is: has partitions, and fetched or committed lately. See docs/metrics.md.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9477/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["katydid"]
CMD ["worker", "--config", "/etc/katydid/katydid.toml"]
