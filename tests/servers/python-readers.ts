/** The Python that tests read answers with, and its packages. */
import { provisionPythonWith, pythonWith } from './python-environment.ts'

/** What reads answers. */
const PACKAGES = {
  pyarrow: '26.0.1',
  pandas: '3.1.1',
  polars: '2.1.0',
  duckdb: '2.0.1',
  deltalake: '1.6.6',
  openpyxl: '3.1.5',
} as const

export const PYTHON_READERS = Object.entries(PACKAGES)
  .map((entry) => entry.join(' '))
  .join(', ')

/** Path of a Python that has the packages; null if it is not installed yet. */
export function pythonReaders(): string | null {
  return pythonWith(PACKAGES)
}

/** Installs what is missing. @throws Error with what pip said */
export function provisionPython(): Promise<string> {
  return provisionPythonWith(PACKAGES)
}
