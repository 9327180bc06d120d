# syntax=docker/dockerfile:1
# A worker of Beam with Threadmill and its locked set, for Dataflow, Flink, Spark and Prism. Build it from the checkout that
# launches the jobs, since workers of another build refuse to work; no worker then installs anything when it starts:
#   docker build --file docker/worker.Dockerfile --tag REGION-docker.pkg.dev/PROJECT/REPOSITORY/threadmill-worker:TAG .
# For Vertex AI, whose jobs train models with JAX on a TPU:
#   docker build --file docker/worker.Dockerfile --build-arg EXTRAS="gcp train jax" --build-arg MORE="jax[tpu]" --tag ... .
# Beam's version is that of constraints.txt.
FROM apache/beam_python3.11_sdk:2.77.0 AS beam

FROM python:3.11-slim-bookworm AS uv
COPY constraints.txt /
RUN pip install --no-cache-dir --constraint /constraints.txt uv

FROM python:3.11-slim-bookworm
ENV NUMBA_CACHE_DIR=/opt/threadmill/kernels \
    PYTHONUNBUFFERED=1 \
    RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1 \
    UV_CACHE_DIR=/var/cache/uv \
    UV_LINK_MODE=copy
WORKDIR /opt/threadmill

# What changes seldom comes first: a change of our code makes anew only the small layers below.
COPY pyproject.toml constraints.txt ./
# Ours, and requirements besides them.
ARG EXTRAS=gcp
ARG MORE=
RUN --mount=from=uv,source=/usr/local/bin/uv,target=/usr/local/bin/uv --mount=type=cache,target=/var/cache/uv \
    for extra in $EXTRAS; do set -- "$@" --extra "$extra"; done \
    && uv pip install --system --compile-bytecode --constraint constraints.txt --requirements pyproject.toml "$@" $MORE

COPY README.md LICENSE ./
COPY sql sql
COPY threadmill threadmill
COPY operators operators
COPY plugins plugins
RUN --mount=from=uv,source=/usr/local/bin/uv,target=/usr/local/bin/uv --mount=type=cache,target=/var/cache/uv \
    uv pip install --system --compile-bytecode --no-deps . \
    && rm -r sql threadmill operators plugins

# The kernels of numba, compiled once; a processor of another kind compiles them anew. Then the build, for the image's label.
RUN python -m threadmill.warm_up && chmod -R a+rwX /opt/threadmill \
    && python -c "from threadmill.cloud.package import build_id; print(build_id())" > /opt/threadmill/build

COPY --from=beam /opt/apache/beam /opt/apache/beam
ENTRYPOINT ["/opt/apache/beam/boot"]
