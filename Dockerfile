# The platform, for every role: docker run watershed start, or one role of docker-compose.yml. Not root; data in /data.
FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No install scripts: the image has its Node, and nothing else needs one. Not `npm ci`: it wants every platform's binaries in the lock file.
RUN npm install --omit=dev --ignore-scripts --no-save --no-audit --no-fund

FROM node:24.21.0-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production \
    WATERSHED_DATA=/data
COPY --from=packages /app/node_modules ./node_modules
# .dockerignore names what stays out.
COPY . .
RUN ln -sf /usr/local/bin/node node_modules/.bin/node \
 && ln -s /app/watershed /usr/local/bin/watershed \
 && mkdir /data \
 && chown node:node /data
USER node
VOLUME /data
EXPOSE 8787
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.WATERSHED_PORT ?? 8787}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["watershed"]
CMD ["start"]
