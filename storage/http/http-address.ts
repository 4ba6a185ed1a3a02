/**
 * Addresses of HTTP services, as they are asked and as they are told. A login in an address goes as a header, for fetch
 * refuses it where it stands; messages name neither the login nor the query, which may hold a token.
 */

const LOGIN = /^(https?:\/\/)([^/?#]*)@/i

export interface HttpAddress {
  readonly url: string
  /** the login, where the address has one */
  readonly headers: Readonly<Record<string, string>>
}

export function httpAddress(address: string): HttpAddress {
  const login = LOGIN.exec(address)?.[2]
  if (login === undefined) return { url: address, headers: {} }
  const authorization = `Basic ${Buffer.from(plain(login)).toString('base64')}`
  return { url: address.replace(LOGIN, '$1'), headers: { authorization } }
}

/** The address as messages name it. */
export function shownAddress(address: string): string {
  return address.replace(LOGIN, '$1').replace(/[?#].*$/s, '')
}

function plain(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
