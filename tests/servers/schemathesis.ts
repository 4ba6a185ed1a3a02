/** Schemathesis, which makes requests from an OpenAPI document (https://schemathesis.readthedocs.io). */
import { provisionPythonWith, pythonWith } from './python-environment.ts'

const PACKAGES = { schemathesis: '4.32.5' } as const

export const SCHEMATHESIS = `schemathesis ${PACKAGES.schemathesis}`

/** Path of a Python that has it; null if it is not installed yet. */
export function schemathesisPython(): string | null {
  return pythonWith(PACKAGES)
}

/** Installs it if it is missing. @returns the path of its Python. @throws Error with what pip said */
export function provisionSchemathesis(): Promise<string> {
  return provisionPythonWith(PACKAGES)
}
