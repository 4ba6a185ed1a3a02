/** GET /docs: the OpenAPI document as a page (Swagger UI). Its files are of the package: the page loads nothing from other hosts. */
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'

export const DOCS_PATH = '/docs'

/** No inline scripts. Styles of elements are set by the page itself; its icons are data URLs. */
const CONTENT_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

export function docsPage(app: FastifyInstance): void {
  app.register(swaggerUi, {
    routePrefix: DOCS_PATH,
    staticCSP: CONTENT_POLICY,
    theme: { title: 'Watershed API' },
    uiConfig: { layout: 'BaseLayout', docExpansion: 'list', tryItOutEnabled: true, persistAuthorization: false },
  })
}
