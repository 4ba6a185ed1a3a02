/** Whether tests on real servers must run here, as in CI: a missing server is a failure then, and nothing is skipped. */
export function mustRun(): boolean {
  return process.env.WATERSHED_REQUIRE_SERVERS === '1'
}
