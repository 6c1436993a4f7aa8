# Asks the network who has an address, ten times a second, until standard input ends: holders.py INTERFACE ADDRESS
# Prints a JSON list of [seconds since the epoch, MAC addresses that answered], one a question.
import json, select, socket, struct, sys, time

interface, address = sys.argv[1:]
arp = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
arp.bind((interface, 0))
own = arp.getsockname()[4]
wanted = socket.inet_aton(address)
# A probe, which enters nobody's table.
question = (
    b"\xff" * 6 + own + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + own + b"\0" * 4 + b"\0" * 6 + wanted
)
said = []
ended = False
while not ended:
    asked = time.time()
    arp.send(question)
    holders = set()
    while (left := asked + 0.1 - time.time()) > 0:
        ready, _, _ = select.select([arp, sys.stdin], [], [], left)
        if arp in ready:
            frame = arp.recv(2048)
            if frame[20:22] == b"\0\2" and frame[28:32] == wanted:
                holders.add(frame[22:28].hex(":"))
        if sys.stdin in ready and not sys.stdin.buffer.read1(1):
            ended = True
            break
    said.append([asked, sorted(holders)])
print(json.dumps(said))
