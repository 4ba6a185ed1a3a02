/** One life of a role, seen from its supervisor: in a worker thread, or in a process of its own. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { withoutSecretVariables } from '../settings/secrets.ts'
import type { FromRole, RoleInput, ToRole } from './role-messages.ts'

export interface RoleStart {
  readonly name: string
  readonly module: URL
  readonly input: RoleInput
  readonly hear: (message: FromRole) => void
  /** receives one end of a channel whose other end the role gets as its port; threads only */
  readonly link?: (port: MessagePort) => void
}

export interface RoleLife {
  /** tells it to stop */
  stop(): void
  /** resolves when it has ended and all its messages were heard, with the fault that ended it; null: none that is known of */
  readonly ended: Promise<Error | null>
}

export class EndedBySignal extends Error {
  /** Ctrl-C reaches every process of a terminal, also one that does not ignore it yet. */
  readonly isOfTerminal: boolean
  constructor(signal: NodeJS.Signals) {
    super(`its process was ended by ${signal}`)
    this.isOfTerminal = signal === 'SIGINT' || signal === 'SIGTERM'
  }
}

/** what runs in the process of a role, whose module is its argument */
export const ROLE_PROCESS = new URL('./role-process.ts', import.meta.url)

const STDERR = 2

export const ROLE_LIVES = { thread: liveInThread, process: liveInProcess } as const

function liveInThread({ name, module, input, hear, link }: RoleStart): RoleLife {
  const channel = link && new MessageChannel()
  const workerData: RoleInput = { ...input, port: channel?.port2 }
  const worker = new Worker(module, { workerData, transferList: channel ? [channel.port2] : [], name })
  if (channel) link(channel.port1)
  let fault: Error | null = null
  worker.on('message', hear)
  worker.on('error', (error: Error) => {
    fault = error
  })
  return {
    stop: () => worker.postMessage({ type: 'stop' } satisfies ToRole),
    ended: new Promise((resolve) => worker.on('exit', () => resolve(fault))),
  }
}

/**
 * The input goes through the channel: whoever lists processes sees arguments and environment, and it may hold secrets. The process
 * stays in the platform's session, where priorities are compared; what it prints goes to stderr.
 */
function liveInProcess({ module, input, hear }: RoleStart): RoleLife {
  const child = fork(fileURLToPath(ROLE_PROCESS), [module.href], {
    serialization: 'advanced',
    stdio: ['ignore', STDERR, STDERR, 'ipc'],
    env: withoutSecretVariables(process.env),
  })
  // One that is gone hears nothing, and `ended` tells of it.
  const tell = (message: ToRole): void => void child.send(message, () => {})
  child.on('message', (message) => hear(message as FromRole))
  tell({ type: 'start', input })
  const heardAll = new Promise((resolve) => child.on('disconnect', resolve))
  const exited = new Promise<Error | null>((resolve) => {
    child.on('error', resolve)
    child.on('exit', (code, signal) => resolve(endOfProcess(code, signal)))
  })
  return {
    stop: () => tell({ type: 'stop' }),
    ended: exited.then(async (fault) => {
      if (child.pid !== undefined) await heardAll
      return fault
    }),
  }
}

function endOfProcess(code: number | null, signal: NodeJS.Signals | null): Error | null {
  if (signal !== null) return new EndedBySignal(signal)
  return code === 0 ? null : new Error(`its process ended with exit code ${code}`)
}
