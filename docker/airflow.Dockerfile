# syntax=docker/dockerfile:1
# Airflow with Threadmill: one image for all components of docker-compose.yaml. Build it from the checkout's top:
#   docker compose build
FROM python:3.11-slim-bookworm AS base

FROM base AS uv
COPY constraints.txt /
RUN pip install --no-cache-dir --constraint /constraints.txt uv

FROM base
ENV AIRFLOW_HOME=/opt/airflow \
    HOME=/opt/airflow \
    NUMBA_CACHE_DIR=/opt/airflow/kernels \
    PYTHONUNBUFFERED=1 \
    UV_CACHE_DIR=/var/cache/uv \
    UV_LINK_MODE=copy
# Group 0, as Airflow's own image has it, so that a cluster may run it as any user. Volumes take their owner from these folders.
RUN useradd --uid 50000 --gid 0 --home-dir /opt/airflow --no-create-home airflow \
    && install --directory --owner=airflow --group=0 --mode=0775 \
        /opt/airflow /opt/airflow/auth /opt/airflow/data /opt/airflow/kernels /opt/airflow/logs
WORKDIR /opt/threadmill

# What changes seldom comes first: a change of our code makes anew only the small layers below.
COPY pyproject.toml constraints.txt ./
RUN --mount=from=uv,source=/usr/local/bin/uv,target=/usr/local/bin/uv --mount=type=cache,target=/var/cache/uv \
    uv pip install --system --compile-bytecode --constraint constraints.txt --requirements pyproject.toml \
        --extra airflow --extra airflow-gcp --extra gcp --extra postgres --extra train --extra jax

COPY README.md LICENSE ./
COPY sql sql
COPY threadmill threadmill
COPY operators operators
COPY plugins plugins
RUN --mount=from=uv,source=/usr/local/bin/uv,target=/usr/local/bin/uv --mount=type=cache,target=/var/cache/uv \
    uv pip install --system --compile-bytecode --no-deps . \
    && rm -r sql threadmill operators \
    && python -m compileall -q plugins

COPY dags dags
COPY deploy/setup.py deploy/health.py deploy/
RUN python -m compileall -q dags deploy

USER 50000:0
# The kernels of numba, compiled once; a processor of another kind compiles them anew.
RUN python -m threadmill.warm_up
CMD ["airflow", "version"]
