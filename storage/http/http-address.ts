/**
 * URLs of HTTP services, for requests and for messages. Credentials in a URL are sent as a header, because fetch
 * refuses them in the URL; messages contain neither the credentials nor the query, which may contain a token.
 */

const LOGIN = /^(https?:\/\/)([^/?#]*)@/i

export interface HttpAddress {
  readonly url: string
  /** the credentials, if the URL has any */
  readonly headers: Readonly<Record<string, string>>
}

export function httpAddress(address: string): HttpAddress {
  const login = LOGIN.exec(address)?.[2]
  if (login === undefined) return { url: address, headers: {} }
  const authorization = `Basic ${Buffer.from(plain(login)).toString('base64')}`
  return { url: address.replace(LOGIN, '$1'), headers: { authorization } }
}

/** The URL for messages. */
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
