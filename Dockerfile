# Two images from one file: `--target gateway` (the default) and `--target sandbox`, the simulator
# of Reducto. Everything comes from the lock file; nothing is downloaded at run time.
#
# NODE_VERSION is the version that the tests run on (a test compares it with package.json).
# To pin the image, add a digest: --build-arg NODE_TAG=24.21.0-trixie-slim@sha256:…
ARG NODE_VERSION=24.21.0
ARG NODE_TAG=${NODE_VERSION}-trixie-slim

# Your own registry is a build secret, which no layer keeps:
#   docker build --secret id=npmrc,src=$HOME/.npmrc .
FROM node:${NODE_TAG} AS base
WORKDIR /app
COPY package.json package-lock.json ./

# Install scripts only fetch programs for development: they are not run.
# The compiler is started by path, because node_modules/.bin holds a Node for development.
FROM base AS build
RUN --mount=type=cache,target=/root/.npm --mount=type=secret,id=npmrc,target=/root/.npmrc \
    npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json nest-cli.json ./
COPY migrations migrations
COPY src src
COPY deploy/docker/sbom.js deploy/docker/
RUN node node_modules/@nestjs/cli/bin/nest.js build && node deploy/docker/sbom.js && \
    mv dist/src/sandbox sandbox && rm -rf dist/src/dev dist/.tsbuildinfo

# `--omit=optional` omits typescript, which @nestjs/swagger uses only if it is installed, and pg-cloudflare.
# Then files that Node never loads are removed: types, source maps, TypeORM for browsers.
FROM base AS packages
RUN --mount=type=cache,target=/root/.npm --mount=type=secret,id=npmrc,target=/root/.npmrc \
    npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund && \
    find node_modules -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' \) -delete && \
    rm -rf node_modules/typeorm/browser node_modules/.package-lock.json

FROM node:${NODE_TAG} AS runtime
ENV NODE_ENV=production
WORKDIR /app
COPY package.json ./
COPY --from=packages /app/node_modules node_modules
USER node

FROM runtime AS sandbox
LABEL org.opencontainers.image.title="reducto-gateway sandbox" \
      org.opencontainers.image.description="A simulator of Reducto, for trying the gateway"
# It reads PDFs with unpdf, a package without dependencies that the gateway does not have.
COPY --from=build /app/node_modules/unpdf node_modules/unpdf
COPY --from=build /app/sandbox dist/src/sandbox
ENV SANDBOX_HOST=0.0.0.0
EXPOSE 4010
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.SANDBOX_PORT || 4010}/control/state`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/src/sandbox/main.js"]

FROM runtime AS gateway
COPY --from=build /app/dist dist
COPY --chmod=755 deploy/docker/gateway /usr/local/bin/gateway
ENV HOST=0.0.0.0
EXPOSE 3000
# Ready: the process serves and its database answers. An orchestrator that replaces unhealthy containers
# should ask /health/live instead (see deploy/stack.yml): a new container does not bring a database back.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --start-interval=1s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/health/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# V8 would use more than the container has. The rest is for buffers, young objects, and Node itself.
CMD ["node", "--max-old-space-size-percentage=55", "dist/src/main.js"]
# Last, so that a new revision rebuilds no other layer.
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="reducto-gateway" \
      org.opencontainers.image.description="On-prem gateway between internal services and the Reducto document API" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
