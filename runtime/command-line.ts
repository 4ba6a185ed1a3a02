/** The command line as data: all commands. */
import { Command } from 'commander'
import { backfillCommand, batchCommand } from './commands/batch-command.ts'
import { configCommand } from './commands/config-command.ts'
import { dashboardsCommand } from './commands/dashboards-command.ts'
import { dictionariesCommand } from './commands/dictionaries-command.ts'
import { doctorCommand } from './commands/doctor-command.ts'
import { generateCommand } from './commands/generate-command.ts'
import { generationsCommand } from './commands/generations-command.ts'
import { ingestCommand } from './commands/ingest-command.ts'
import { queryCommand } from './commands/query-command.ts'
import {
  intakeCommand,
  presentCommand,
  serveCommand,
  startCommand,
  streamCommand,
} from './commands/service-commands.ts'
import { verifyCommand } from './commands/verify-command.ts'

export function commandLine(): Command {
  const program = new Command('watershed')
    .description('Lambda-architecture analytics: live windows and exact batch results, merged by log position')
    .helpCommand(true)
    .showHelpAfterError('(watershed help shows all commands)')
  const commands = [
    startCommand(),
    serveCommand(),
    intakeCommand(),
    streamCommand(),
    batchCommand(),
    presentCommand(),
    ingestCommand(),
    generateCommand(),
    queryCommand(),
    verifyCommand(),
    generationsCommand(),
    backfillCommand(),
    dictionariesCommand(),
    dashboardsCommand(),
    doctorCommand(),
    configCommand(),
  ]
  for (const command of commands) program.addCommand(command)
  throwInsteadOfExit(program)
  return program
}

function throwInsteadOfExit(command: Command): void {
  command.exitOverride()
  for (const inner of command.commands) throwInsteadOfExit(inner)
}
