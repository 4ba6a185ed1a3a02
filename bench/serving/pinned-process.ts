/** Node processes of their own, each held to one core or left to all of them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

/** On a machine with two cores, a server that is measured "on one core" shares that core with no client. */
export const SERVER_CORE = 0
export const CLIENT_CORE = 1
const EXIT_INTERRUPTED = 130

/** A stopped benchmark leaves no process running, because it would distort the next measurement. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(EXIT_INTERRUPTED))

/** Starts a script; stdin and stdout are pipes, stderr is shown. @param core needs `taskset` (util-linux) */
export function spawnNode(script: string, parameters: readonly string[] = [], core?: number): ChildProcess {
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', script, ...parameters]
  const [file, ...rest] = core === undefined ? command : ['taskset', '-c', String(core), ...command]
  const child = spawn(file!, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
  running.add(child.once('exit', () => running.delete(child)))
  return child
}

/** Runs a script of this folder to its end: it reads `input` as JSON from stdin and writes its result as JSON to stdout. */
export async function runScript<Result>(
  name: string,
  input: unknown,
  core?: number,
  signal?: AbortSignal,
): Promise<Result> {
  const child = spawnNode(join(import.meta.dirname, name), [], core)
  signal?.addEventListener('abort', () => child.kill('SIGKILL'))
  child.stdin!.end(JSON.stringify(input))
  return resultOf<Result>(child, name)
}

/** What a script wrote to stdout. @throws Error when it failed */
export async function resultOf<Result>(child: ChildProcess, name: string): Promise<Result> {
  const [output, [code]] = await Promise.all([text(child.stdout!), once(child, 'exit')])
  if (code !== 0) throw new Error(`${name} ended with code ${code}`)
  return JSON.parse(output) as Result
}
