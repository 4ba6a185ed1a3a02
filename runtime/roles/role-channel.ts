/** What a role and its supervisor talk through, seen from the role: a worker thread's port, or the channel of a process. */
import { parentPort, workerData } from 'node:worker_threads'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { type FromRole, type RoleInput, roleFault, type ToRole } from './role-messages.ts'
import { yieldProcessors } from './yield-processors.ts'

export interface RoleChannel {
  /** what the role was started with */
  readonly input: Promise<RoleInput>
  /** resolves when the role is told to stop */
  readonly stop: Promise<void>
  tell(message: FromRole): void
  /** Tells that the role runs. From now on a process yields the processors to others; it starts as fast as they do. */
  started(): void
  /** Tells the last message and closes the channel, which keeps nothing alive afterwards. Resolves when the message was handed over. */
  end(last: FromRole): Promise<void>
}

/** The channel of this thread or process. @throws when nothing supervises it */
export function roleChannel(): RoleChannel {
  if (parentPort !== null) return threadChannel(parentPort)
  if (process.send !== undefined) return processChannel()
  throw new Error('a role runs in a worker thread or in a process that its supervisor started')
}

function threadChannel(port: NonNullable<typeof parentPort>): RoleChannel {
  const stop = Promise.withResolvers<void>()
  port.on('message', (message: ToRole) => {
    if (message.type === 'stop') stop.resolve()
  })
  return {
    input: Promise.resolve(workerData as RoleInput),
    stop: stop.promise,
    tell: (message) => port.postMessage(message),
    started: () => port.postMessage({ type: 'started' }),
    async end(last) {
      port.postMessage(last)
      port.close()
    },
  }
}

function processChannel(): RoleChannel {
  const input = Promise.withResolvers<RoleInput>()
  const stop = Promise.withResolvers<void>()
  process.on('message', (message: ToRole) => {
    if (message.type === 'start') input.resolve(message.input)
    else stop.resolve()
  })
  return {
    input: input.promise,
    stop: stop.promise,
    tell: (message) => void tellPlatform(message),
    async started() {
      void tellPlatform({ type: 'started' })
      const refused = yieldProcessors((await input.promise).yields)
      if (refused !== null) void tellPlatform({ type: 'event', event: priorityKept(refused) })
    },
    async end(last) {
      process.off('disconnect', endProcessNow)
      await tellPlatform(last)
      if (process.connected) process.disconnect()
    },
  }
}

/** Resolves when the message was handed over, or cannot be: the platform is gone, and its end is this process's end. */
export function tellPlatform(message: FromRole): Promise<void> {
  return new Promise((resolve) => process.send!(message, undefined, undefined, () => resolve()))
}

function priorityKept({ message }: Error): PlatformEvent {
  return {
    name: 'role-priority-kept',
    level: 'warn',
    message: `the priority of a role's process could not be lowered, so answers may be slower: ${message}`,
  }
}

/** Ends this process as `kill -9` does. Not process.exit: that waits for destructors while the engine's threads are at work. */
export function endProcessNow(): void {
  process.kill(process.pid, 'SIGKILL')
}

/** Ends this process for a fault that leaves nothing to stop. */
export async function failProcess(fault: unknown): Promise<void> {
  await tellPlatform(roleFault(fault))
  endProcessNow()
}
