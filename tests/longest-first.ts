/**
 * The order of test files: those that start servers, processes and kills first, the longest ones before all others. Vitest begins with
 * the largest files when it knows no durations, and a short file that takes minutes would run alone at the end.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** each takes a minute or more */
export const MINUTES = [
  'tests/cluster/cluster.e2e.test.ts',
  'tests/crash/crash.test.ts',
  'tests/simulation/protocol.test.ts',
  'tests/generated-definitions/generated-definitions.test.ts',
  // Its subjects are in other files, so it is small itself.
  'tests/page/page.e2e.test.ts',
]
const SERVERS = [/\.e2e\.test\.ts$/, /^tests\//, /\/kafka\//, /\/elasticsearch\//, /\/trino\b/]

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => rankOf(this.#path(a)) - rankOf(this.#path(b)))
  }

  #path({ moduleId }: TestSpecification): string {
    return moduleId.slice(this.ctx.config.root.length + 1)
  }
}

/** Files of lower ranks begin earlier. @param path from the repository's root */
export function rankOf(path: string): number {
  const place = MINUTES.indexOf(path)
  if (place >= 0) return place
  return SERVERS.some((pattern) => pattern.test(path)) ? MINUTES.length : MINUTES.length + 1
}
