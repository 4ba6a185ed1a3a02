/**
 * Has the modules of roles compiled before the roles start, by a process that ends. A thread or process that finds a module that Node has
 * not compiled yet loads Node's compiler of TypeScript, and keeps it for as long as it lives, in 12 MiB of its own.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { flushCompileCache, getCompileCacheDir } from 'node:module'
import { fileURLToPath } from 'node:url'

const COMPILER = fileURLToPath(new URL('./compile-modules.ts', import.meta.url))
/** roles start without it, then */
const COMPILE_MS_MAX = 30_000

/** Resolves when it is done, or given up: nothing depends on it. @param modules of roles. Nothing happens if this process found its own modules compiled */
export async function compileAhead(modules: readonly URL[]): Promise<void> {
  if (modules.length === 0 || !hasCompiled() || !keepsCompiled()) return
  // They share most of what this process compiled.
  flushCompileCache()
  const words = [...process.execArgv, COMPILER, ...modules.map(({ href }) => href)]
  const compiler = spawn(process.execPath, words, { stdio: 'ignore', timeout: COMPILE_MS_MAX })
  await once(compiler, 'exit').catch(() => {})
}

/** Whether Node's compiler was loaded here; Node lists its own modules, too. */
export function hasCompiled(): boolean {
  const { moduleLoadList = [] } = process as { readonly moduleLoadList?: readonly string[] }
  return moduleLoadList.some((name) => name.includes('amaro'))
}

/** Whether what one process compiles is there for the next one. */
function keepsCompiled(): boolean {
  const folder = getCompileCacheDir()
  if (folder === undefined) return false
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}
