/** A real Chromium for tests of the page: Debian's, without a window, with a profile of its own that is removed with it. */
import { execFileSync } from 'node:child_process'
import { type Browser, type BrowserServer, chromium } from 'playwright-core'

const PROGRAM = process.env.TEST_CHROMIUM ?? 'chromium'

/** Of the program on the PATH; null if there is none. */
export function chromiumVersion(): string | null {
  try {
    return /[\d.]+/.exec(execFileSync(PROGRAM, ['--version'], { encoding: 'utf8' }))?.[0] ?? null
  } catch {
    return null
  }
}

/** @throws Error when there is no Chromium */
export function openChromium(): Promise<Browser> {
  return chromium.launch(launching())
}

/** For measurements, which need its process. @throws Error when there is no Chromium */
export function serveChromium(): Promise<BrowserServer> {
  return chromium.launchServer(launching())
}

function launching(): { readonly executablePath: string; readonly args: string[] } {
  const path = execFileSync('which', [PROGRAM], { encoding: 'utf8' }).trim()
  // In containers there is no user namespace for the sandbox; the only pages are our own, on loopback.
  return { executablePath: path, args: ['--no-sandbox', '--disable-gpu'] }
}
