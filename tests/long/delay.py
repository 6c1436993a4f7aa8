"""Passes connections on that the packet filter has redirected here, and lets every byte wait: delay.py PORT SECONDS"""

import asyncio
import socket
import struct
import sys

port, seconds = int(sys.argv[1]), float(sys.argv[2])
SO_ORIGINAL_DST = 80


async def pass_on(reader, writer):
    loop = asyncio.get_running_loop()
    try:
        while data := await reader.read(65536):
            # What comes meanwhile waits beside it, not behind it.
            loop.call_later(seconds, writer.write, data)
    except OSError:
        pass
    await asyncio.sleep(seconds)
    writer.close()


async def accept(reader, writer):
    raw = writer.get_extra_info("socket").getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
    to, address = struct.unpack("!2xH4s8x", raw)
    try:
        there = await asyncio.open_connection(socket.inet_ntoa(address), to)
    except OSError:
        writer.close()
        return
    await asyncio.gather(pass_on(reader, there[1]), pass_on(there[0], writer))


async def main():
    server = await asyncio.start_server(accept, "0.0.0.0", port)
    await server.serve_forever()


asyncio.run(main())
