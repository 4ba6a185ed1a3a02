/** The listener with TLS: a real certificate, made here, and the real command line. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, expect, test } from 'vitest'
import { PlatformProcess } from '#tests/crash/platform-process.ts'
import { watershed } from '#tests/faults/watershed.ts'

const KEY = 'a-long-enough-api-key'
const folder = mkdtempSync(join(tmpdir(), 'watershed-tls-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function certificate(name: string): { cert: string; key: string } {
  const [cert, key] = [join(folder, `${name}-cert.pem`), join(folder, `${name}-key.pem`)]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const files = ['-keyout', key, '-out', cert]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-noenc', '-days', '2', ...subject, ...files], {
    stdio: 'ignore',
  })
  return { cert, key }
}

const own = certificate('own')
const other = certificate('other')

function ask(url: string, headers: Record<string, string> = {}): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    get(url, { ca: readFileSync(own.cert), headers }, async (reply) =>
      resolve({ status: reply.statusCode!, body: await text(reply) }),
    ).on('error', reject)
  })
}

test('it is spoken with the given certificate on every address, with the same rules for keys; plain HTTP gets no answer', async () => {
  const platform = new PlatformProcess({
    arguments: ['--port', '0', '--no-demo', '--host', '0.0.0.0', '--tls-cert', own.cert, '--tls-key', own.key],
    environment: { WATERSHED_DATA: join(folder, 'data'), WATERSHED_KEYS: KEY },
  })
  try {
    const address = (await platform.address).replace('0.0.0.0', '127.0.0.1')
    expect(address).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
    expect((await ask(`${address}/livez`)).status).toBe(200)
    expect((await ask(`${address}/v1/datasets`)).status).toBe(401)
    expect((await ask(`${address}/v1/datasets`, { authorization: `Bearer ${KEY}` })).status).toBe(200)
    await expect(fetch(`${address.replace('https', 'http')}/livez`)).rejects.toThrow('fetch failed')
  } finally {
    expect((await platform.stop()).code).toBe(0)
  }
}, 60_000)

test('a wrong pair of files is refused at start, with the setting and the file', async () => {
  const broken = join(folder, 'broken.pem')
  writeFileSync(broken, 'no certificate')
  const cases = [
    [own.cert, other.key, `tlsKey: '${other.key}' is not the unencrypted private key of the certificate`],
    [broken, own.key, `tlsCert: '${broken}' is not a certificate`],
    [join(folder, 'missing.pem'), own.key, 'missing.pem'],
  ] as const
  for (const [cert, key, message] of cases) {
    const files = ['--tls-cert', cert, '--tls-key', key]
    const { code, stderr } = await watershed(['start', '--port', '0', '--no-demo', ...files], join(folder, 'refused'))
    expect(stderr).toContain(message)
    expect(code).toBe(78)
  }
}, 120_000)
