const label = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";

/** One label of a DNS name (RFC 1123), in lower case. */
export const dnsLabelForm = new RegExp(`^${label}$`);

/** A DNS name of one or more labels, in lower case; `dnsNameLength` bounds it. */
export const dnsNameForm = new RegExp(`^${label}(\\.${label})*$`);

/** The longest DNS name. */
export const dnsNameLength = 253;
