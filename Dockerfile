# The platform, for every role: all of them with `start`, or one each as in docker-compose.yml. Not root; data in /data.
FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No install scripts: the image has its Node, and nothing else needs one.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24.21.0-bookworm-slim
WORKDIR /app
# Scratch is each container's own: it is swept by process id, which others count anew.
ENV NODE_ENV=production \
    WATERSHED_PORT=8787 \
    WATERSHED_DATA=/data \
    WATERSHED_SCRATCH=/scratch
COPY --from=packages /app/node_modules ./node_modules
# .dockerignore names what stays out.
COPY . .
RUN ln -sf /usr/local/bin/node node_modules/.bin/node \
 && ln -s /app/watershed /usr/local/bin/watershed \
 && node dashboards/page/build-page.ts \
 && mkdir -p /data /scratch node_modules/.cache/compiled \
 && chown node:node /data /scratch node_modules/.cache/compiled
USER node
# By the user that runs it: what Node keeps of the files it compiled belongs to a user.
RUN node runtime/start-once.ts
VOLUME ["/data", "/scratch"]
EXPOSE 8787
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.WATERSHED_PORT ?? 8787}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["watershed"]
CMD ["start"]
