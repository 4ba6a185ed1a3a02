/** watershed test <definition>: runs the tests that a definition file exports, at every cut between the layers. */
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Command } from 'commander'
import type { DefinitionCases } from '#core/definition-cases.ts'
import { type CaseResult, runCases } from '../definition-tests/run-cases.ts'
import { importDefinition, offerPackageName } from '../drivers/definitions.ts'
import { commandWith, type SharedOptions } from './command-options.ts'
import { CommandError, EXIT_CODES } from './exit-codes.ts'
import { print, printJson, say } from './output.ts'

export function testCommand(): Command {
  return commandWith('test', 'Run the tests of a definition, each at every cut between the batch and the speed layer')
    .argument('<definition>', 'a file that exports a definition, and its tests as `tests`')
    .action(test)
}

async function test(file: string, { json }: SharedOptions): Promise<void> {
  offerPackageName()
  const path = resolve(file)
  const { definition } = await importDefinition(path)
  const results = await runCases(definition, await casesOf(path)).catch((error: Error) => {
    throw new CommandError('definition', `${path}: ${error.message}`, { cause: error })
  })
  const failed = results.filter(({ failures }) => failures.length > 0)
  if (json)
    printJson({ dataset: definition.name, passed: results.length - failed.length, failed: failed.length, results })
  else show(results)
  const answered = results.reduce((sum, { cuts }) => sum + cuts, 0)
  say(
    `${definition.name}: ${results.length - failed.length} of ${results.length} tests passed, answered at ${answered} cuts`,
  )
  if (failed.length > 0) process.exitCode = EXIT_CODES.different.code
}

/** @throws CommandError 'definition' */
async function casesOf(path: string): Promise<DefinitionCases> {
  const { tests } = (await import(pathToFileURL(path).href)) as { tests?: DefinitionCases }
  if (tests !== undefined && Object.keys(tests).length > 0) return tests
  throw new CommandError(
    'definition',
    `'${path}' has no tests; add for example: export const tests = defineTests({ 'a name': { given: [{ … }], answers: { 'view?grain=day': [{ … }] } } })`,
  )
}

function show(results: readonly CaseResult[]): void {
  for (const { name, cuts, failures } of results) {
    print(failures.length === 0 ? `ok    ${name} (${cuts} cuts)` : `FAIL  ${name}`)
    for (const failure of failures) print(`        ${failure}`)
  }
}
