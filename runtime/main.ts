/** The watershed command line. */
import './thread-pool.ts'
import { commandLine } from './commands/command-line.ts'
import { endOf, exitCode } from './commands/end-of.ts'
import { say } from './commands/output.ts'
import { endAnyway } from './signals.ts'

try {
  const program = await commandLine(process.argv.slice(2))
  await program.parseAsync()
} catch (error) {
  const { exit, message } = endOf(error)
  if (message !== '') say(`watershed: ${message}`)
  process.exitCode = exitCode(exit)
}
endAnyway()
