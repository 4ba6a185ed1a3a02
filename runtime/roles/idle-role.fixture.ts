/** A role that does nothing, and uses nothing that must be closed before its thread ends. */
import { runRole } from './role-thread.ts'

await runRole(async () => ({ parts: () => [], stop: async () => {} }))
