/** The methods that a path has routes for: the basis of 405 answers and their `Allow` header. */
import type { FastifyInstance } from 'fastify'

/** Records the routes that are registered after this call. The returned function gives a path's methods, sorted; empty if the path is unknown. */
export function watchMethods(app: FastifyInstance): (path: string) => string[] {
  const routes: { readonly path: RegExp; readonly methods: readonly string[] }[] = []
  app.addHook('onRoute', ({ method, url }) => {
    const literal = url.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    routes.push({ path: new RegExp(`^${literal.replace(/:\w+/g, '[^/]*')}$`), methods: [method].flat() })
  })
  return (path) =>
    [...new Set(routes.filter((route) => route.path.test(path)).flatMap(({ methods }) => methods))].sort()
}
