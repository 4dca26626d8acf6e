# One image for everything of ours: Airflow's processes, MLflow, the endpoint of the metrics; and the collector with a
# health check. Pinned by constraints.txt and by tags; for digests see docs/operations.md.
ARG PYTHON=python:3.11.13-slim-bookworm
ARG COLLECTOR=otel/opentelemetry-collector-contrib:0.128.0

FROM ${PYTHON} AS build
# Where pip finds torch's smaller build without CUDA, for machines that have no GPU.
ARG PIP_EXTRA_INDEX_URL
WORKDIR /src
RUN python -m venv /opt/venv
COPY pyproject.toml setup.py constraints.txt README.md LICENSE ./
COPY augment_ops augment_ops
COPY dags dags
COPY policies policies
RUN /opt/venv/bin/pip install --no-cache-dir --constraint constraints.txt ".[deploy]"

FROM ${PYTHON} AS augment-ops
# Named volumes take the owner of the folder that they are first mounted on.
RUN useradd --uid 10001 --create-home augment \
 && install --directory --owner=augment --group=augment /state /logs /auth /artifacts /opt/airflow /opt/augment-ops
COPY --from=build /opt/venv /opt/venv
COPY --chown=augment dags /opt/augment-ops/dags
COPY --chown=augment policies /opt/augment-ops/policies
ENV PATH=/opt/venv/bin:$PATH \
    AIRFLOW_HOME=/opt/airflow \
    NO_ALBUMENTATIONS_UPDATE=1 \
    GIT_PYTHON_REFRESH=quiet \
    MLFLOW_DISABLE_TELEMETRY=true \
    PYTHONUNBUFFERED=1
WORKDIR /opt/augment-ops
USER 10001:10001

# What the tasks of `augment-ops kubeflow compile` run in: Kubeflow's executor needs kfp, and none of its dependencies.
FROM augment-ops AS kubeflow
COPY constraints-kubeflow.txt /tmp/
USER 0:0
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps --constraint /tmp/constraints-kubeflow.txt kfp
USER 10001:10001

# The collector's own image holds one program and nothing that could ask whether it works.
FROM ${COLLECTOR} AS collector-program
FROM busybox:1.37.0 AS collector
COPY --from=collector-program /otelcol-contrib /otelcol-contrib
RUN mkdir -p /var/lib/otel && chown 10001:10001 /var/lib/otel
USER 10001:10001
ENTRYPOINT ["/otelcol-contrib"]
