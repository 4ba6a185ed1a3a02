/** Which methods a path has routes for: what a request with another method is told. */
import type { FastifyInstance } from 'fastify'

/** Watches the routes that are registered from now on. Returns the methods of a path, in order; none: the path is unknown. */
export function watchMethods(app: FastifyInstance): (path: string) => string[] {
  const routes: { readonly path: RegExp; readonly methods: readonly string[] }[] = []
  app.addHook('onRoute', ({ method, url }) => {
    const literal = url.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    routes.push({ path: new RegExp(`^${literal.replace(/:\w+/g, '[^/]*')}$`), methods: [method].flat() })
  })
  return (path) =>
    [...new Set(routes.filter((route) => route.path.test(path)).flatMap(({ methods }) => methods))].sort()
}
