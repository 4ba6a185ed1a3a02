/** The page in a real Chromium. Its subjects share one platform and one browser, and follow each other. */
import { afterAll, beforeAll, describe } from 'vitest'
import { chromiumVersion } from '../servers/chromium.ts'
import { mustRun } from '../servers/must-run.ts'
import { testAccess } from './page-access.ts'
import { testConnections } from './page-connections.ts'
import { testExports } from './page-exports.ts'
import { testNumbers } from './page-numbers.ts'
import { PageSite } from './page-site.ts'
import { testStates } from './page-states.ts'
import { testTables } from './page-tables.ts'

let site: PageSite | undefined
const started = (): PageSite => site!

describe.skipIf(chromiumVersion() === null && !mustRun())('the page', () => {
  beforeAll(async () => {
    site = await PageSite.start()
  }, 120_000)
  afterAll(() => site?.close())

  testNumbers(started)
  testTables(started)
  testExports(started)
  testAccess(started)
  testStates(started)
  // The last one stops the server.
  testConnections(started)
})
