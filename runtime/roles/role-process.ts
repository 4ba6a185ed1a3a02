/**
 * The entry point of a role that has a process of its own; the module of the role is its argument. The process lives no longer than
 * the platform that started it.
 */
import { endProcessNow, failProcess } from './role-channel.ts'

if (process.connected === undefined) throw new Error('the process of a role is started by its supervisor')

// A terminal sends Ctrl-C, and systemd SIGTERM, to this process as well: the platform says when to stop.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})

process.on('disconnect', endProcessNow)
if (!process.connected) endProcessNow()

// Until the role runs, which is stopped first.
process.on('uncaughtException', failProcess)
await import(process.argv[2]!).catch(failProcess)
