# Prints the nanoseconds that a time.time() takes, the loop included.
import time

CALLS = 3000000


def measure(now=time.time):
    start = time.perf_counter()
    for _ in range(CALLS):
        now()
    print("%.4f" % ((time.perf_counter() - start) * 1e9 / CALLS))


measure()
