#!/bin/sh
# The page of the demonstration, run by busybox httpd for every request, in a pod, not on a node.
printf '%s\r\n' 'Content-Type: text/plain' ''
printf '%s\n' "Hello from $POD on $NODE." \
  "You asked for $HTTP_HOST over ${HTTP_X_FORWARDED_PROTO:-http}." \
  "Your address is ${HTTP_X_FORWARDED_FOR:-$REMOTE_ADDR}."
# The application's log: who asked for what.
echo "${HTTP_X_FORWARDED_FOR:-$REMOTE_ADDR} $HTTP_HOST ${HTTP_X_FORWARDED_PROTO:-http} $REQUEST_URI" >&2
