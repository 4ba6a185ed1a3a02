/** The command line as data: all commands. */
import { Command } from 'commander'
import manifest from '../../package.json' with { type: 'json' }
import { backfillCommand, batchCommand } from './batch-command.ts'
import { checkCommand } from './check-command.ts'
import { configCommand } from './config-command.ts'
import { dashboardsCommand } from './dashboards-command.ts'
import { datasetsCommand } from './datasets-command.ts'
import { dictionariesCommand } from './dictionaries-command.ts'
import { doctorCommand } from './doctor-command.ts'
import { generateCommand } from './generate-command.ts'
import { generationsCommand } from './generations-command.ts'
import { ingestCommand } from './ingest-command.ts'
import { initCommand } from './init-command.ts'
import { queryCommand } from './query-command.ts'
import { intakeCommand, presentCommand, serveCommand, startCommand, streamCommand } from './service-commands.ts'
import { sourcesCommand } from './sources-command.ts'
import { testCommand } from './test-command.ts'
import { typesCommand } from './types-command.ts'
import { verifyCommand } from './verify-command.ts'

export function commandLine(): Command {
  const program = new Command('watershed')
    .description('Lambda-architecture analytics: live windows and exact batch results, merged by log position')
    .version(manifest.version)
    .helpCommand(true)
    .showHelpAfterError('(watershed help shows all commands)')
  const commands = [
    startCommand(),
    serveCommand(),
    intakeCommand(),
    streamCommand(),
    batchCommand(),
    presentCommand(),
    initCommand(),
    checkCommand(),
    testCommand(),
    ingestCommand(),
    datasetsCommand(),
    generateCommand(),
    queryCommand(),
    verifyCommand(),
    generationsCommand(),
    sourcesCommand(),
    backfillCommand(),
    dictionariesCommand(),
    dashboardsCommand(),
    doctorCommand(),
    configCommand(),
    typesCommand(),
  ]
  for (const command of commands) program.addCommand(command)
  throwInsteadOfExit(program)
  return program
}

function throwInsteadOfExit(command: Command): void {
  command.exitOverride()
  for (const inner of command.commands) throwInsteadOfExit(inner)
}
