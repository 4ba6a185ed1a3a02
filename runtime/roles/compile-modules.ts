/** Imports the modules of its arguments, so that Node keeps what it compiled. Those of roles refuse to run here, which does not matter: they were compiled before. */
import { flushCompileCache } from 'node:module'

for (const module of process.argv.slice(2)) await import(module).catch(() => {})
flushCompileCache()
process.exit()
