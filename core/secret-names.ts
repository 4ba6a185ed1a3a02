/** Names of parameters and headers that carry a credential. */
export const SECRET_NAME = /key|token|secret|password|passwd|auth(?!or(?!iz))|signature|sig$|cookie/i
