/** The command line as data: all commands, each loaded when it is asked for. */
import { Command } from 'commander'
import manifest from '../../package.json' with { type: 'json' }

type Load = () => Promise<Command>
const service = () => import('./service-commands.ts')
const batch = () => import('./batch-command.ts')

/** in the order of the help */
const COMMANDS: ReadonlyMap<string, Load> = new Map<string, Load>([
  ['start', async () => (await service()).startCommand()],
  ['serve', async () => (await service()).serveCommand()],
  ['intake', async () => (await service()).intakeCommand()],
  ['stream', async () => (await service()).streamCommand()],
  ['batch', async () => (await batch()).batchCommand()],
  ['present', async () => (await service()).presentCommand()],
  ['init', async () => (await import('./init-command.ts')).initCommand()],
  ['check', async () => (await import('./check-command.ts')).checkCommand()],
  ['test', async () => (await import('./test-command.ts')).testCommand()],
  ['ingest', async () => (await import('./ingest-command.ts')).ingestCommand()],
  ['datasets', async () => (await import('./datasets-command.ts')).datasetsCommand()],
  ['generate', async () => (await import('./generate-command.ts')).generateCommand()],
  ['query', async () => (await import('./query-command.ts')).queryCommand()],
  ['events', async () => (await import('./events-command.ts')).eventsCommand()],
  ['dead-letters', async () => (await import('./dead-letters-command.ts')).deadLettersCommand()],
  ['verify', async () => (await import('./verify-command.ts')).verifyCommand()],
  ['generations', async () => (await import('./generations-command.ts')).generationsCommand()],
  ['lake', async () => (await import('./lake-command.ts')).lakeCommand()],
  ['retention', async () => (await import('./retention-command.ts')).retentionCommand()],
  ['sources', async () => (await import('./sources-command.ts')).sourcesCommand()],
  ['backfill', async () => (await batch()).backfillCommand()],
  ['dictionaries', async () => (await import('./dictionaries-command.ts')).dictionariesCommand()],
  ['dashboards', async () => (await import('./dashboards-command.ts')).dashboardsCommand()],
  ['doctor', async () => (await import('./doctor-command.ts')).doctorCommand()],
  ['config', async () => (await import('./config-command.ts')).configCommand()],
  ['types', async () => (await import('./types-command.ts')).typesCommand()],
])
const VERSION_FLAGS = '-V, --version'

/** The command that the first word names, or all if it names none: for the help, and to suggest what was meant. */
export async function commandLine(words: readonly string[] = []): Promise<Command> {
  const program = new Command('watershed')
    .description('Lambda-architecture analytics: live windows and exact batch results, merged by log position')
    .version(manifest.version, VERSION_FLAGS)
    .helpCommand(true)
    .showHelpAfterError('(watershed help shows all commands)')
  for (const load of loadsOf(words[0])) program.addCommand(await load())
  throwInsteadOfExit(program)
  return program
}

function loadsOf(word = ''): Load[] {
  if (VERSION_FLAGS.split(', ').includes(word)) return []
  const named = COMMANDS.get(word)
  return named === undefined ? [...COMMANDS.values()] : [named]
}

function throwInsteadOfExit(command: Command): void {
  command.exitOverride()
  for (const inner of command.commands) throwInsteadOfExit(inner)
}
