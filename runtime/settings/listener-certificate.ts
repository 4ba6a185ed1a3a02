/** The certificate and key with which the listener speaks TLS. They are read and checked at start, so that a wrong pair is not found by clients. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { ConfigurationError } from './configuration-error.ts'
import type { Configuration } from './settings.ts'

export interface ListenerCertificate {
  /** PEM: the certificate, then those of the authorities between it and a known one */
  readonly cert: Buffer
  readonly key: Buffer
  /** end of its validity, epoch ms */
  readonly untilMs: number
}

/** Null if the listener does not use TLS. @throws ConfigurationError that names the file */
export function listenerCertificate({
  tlsCert,
  tlsKey,
}: Pick<Configuration, 'tlsCert' | 'tlsKey'>): ListenerCertificate | null {
  if (tlsCert === undefined || tlsKey === undefined) return null
  const [cert, key] = [readOf('tlsCert', tlsCert), readOf('tlsKey', tlsKey)]
  const untilMs = checked(`tlsCert: '${tlsCert}' is not a certificate in PEM format`, () => {
    return new X509Certificate(cert).validToDate.getTime()
  })
  checked(`tlsKey: '${tlsKey}' is not the unencrypted private key of the certificate '${tlsCert}', in PEM format`, () =>
    createSecureContext({ cert, key }),
  )
  return { cert, key, untilMs }
}

function readOf(name: string, path: string): Buffer {
  return checked(`${name}: '${path}' cannot be read`, () => readFileSync(path))
}

function checked<T>(problem: string, look: () => T): T {
  try {
    return look()
  } catch (error) {
    throw new ConfigurationError([`${problem}: ${(error as Error).message}`])
  }
}
