/** For test runners: `import { runCases } from 'watershed/testing'`. See docs/reference/definitions.md. */
export { defineTests } from '#core/definition.ts'
export { runCases } from './run-cases.ts'
