/** The one NOTIFY channel, because each channel needs a connection. A message is a topic and an optional payload. */
export const CHANNEL = 'reducto_gateway';

/** Parameters: `CHANNEL` and the message. */
export const NOTIFY = { name: 'notify', text: 'SELECT pg_notify($1, $2)' };
