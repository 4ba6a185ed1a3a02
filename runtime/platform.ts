/**
 * All roles in one process. This thread takes events in and answers queries; the stream role and the batch role each have a
 * worker thread with an engine of its own. Stopping goes the way of the data: nothing more is taken in, then the stream role
 * flushes what it folded, then the batch role stops between two steps. What was acknowledged is in the log whatever happens.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Intake } from '#ingest/intake.ts'
import type { Emit } from '#telemetry/emit.ts'
import { intakeLimits } from './intake-port.ts'
import type { RoleInput } from './roles/role-messages.ts'
import { type RoleState, RoleSupervisor } from './roles/role-supervisor.ts'
import type { Configuration } from './settings.ts'
import { Workspace } from './workspace.ts'

export class Platform {
  readonly workspace: Workspace
  readonly intakes: ReadonlyMap<string, Intake>
  readonly #roles: readonly RoleSupervisor[]

  /** Opens everything and starts the roles; resolves when all of them run. @throws what keeps one from starting */
  static async start(configuration: Configuration, emit: Emit): Promise<Platform> {
    const workspace = await Workspace.open(configuration, 'serve', emit)
    const roles: RoleSupervisor[] = []
    try {
      const limits = intakeLimits(configuration)
      const opened = await workspace.all()
      const intakes = new Map(opened.map((open) => [open.dataset.name, new Intake({ ...open, limits })]))
      for (const name of ['stream', 'batch'] as const) {
        const module = new URL(`./roles/${name}-thread.ts`, import.meta.url)
        const role = new RoleSupervisor({ name, module, input: inputOf(workspace, name), emit })
        await role.start()
        roles.push(role)
      }
      return new Platform(workspace, intakes, roles)
    } catch (error) {
      for (const role of roles) await role.stop()
      await workspace.close()
      throw error
    }
  }

  private constructor(workspace: Workspace, intakes: ReadonlyMap<string, Intake>, roles: readonly RoleSupervisor[]) {
    this.workspace = workspace
    this.intakes = intakes
    this.#roles = roles
  }

  roles(): readonly RoleState[] {
    return this.#roles.map((role) => role.state())
  }

  /** Stops the roles in the order of the data's way, and closes everything. Whoever takes events in has stopped before. */
  async stop(): Promise<void> {
    for (const role of this.#roles) await role.stop()
    await this.workspace.close()
  }
}

function inputOf(workspace: Workspace, role: string): RoleInput {
  const scratchFolder = join(workspace.scratchFolder, role)
  mkdirSync(scratchFolder, { recursive: true })
  return { configuration: workspace.configuration, scratchFolder }
}
