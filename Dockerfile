# The controller and the command line. No build argument is needed: docker build --tag IMAGE .

FROM python:3.11-slim AS build
WORKDIR /src
# Every package is held to its hash in the lock; from here on nothing is fetched.
COPY requirements.lock ./
RUN pip wheel --no-cache-dir --no-deps --require-hashes --requirement requirements.lock --wheel-dir /wheels
COPY pyproject.toml README.md LICENSE ./
COPY canary canary
COPY meshes meshes
COPY manifests/install/rights.yaml manifests/install/rights.yaml
COPY manifests/install-namespaced/kuma.yaml manifests/install-namespaced/kuma.yaml
RUN pip install --no-cache-dir --no-index --find-links /wheels hatchling \
    && pip wheel --no-cache-dir --no-index --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m venv /opt/canary \
    && /opt/canary/bin/pip install --no-cache-dir --no-index --find-links /wheels canary-controller

FROM python:3.11-slim
COPY --from=build /opt/canary /opt/canary
ENV PATH=/opt/canary/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["canary"]
