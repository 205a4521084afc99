#!/usr/bin/env python3
"""20,000 small requests: the resident memory of the last thousand within 2 % of the second thousand's.

    soak.py [--requests 20000]
"""
import argparse
import http.client
import statistics
import sys
import threading

from harness import Service, png


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=20000)
    requests = parser.parse_args().requests
    pictures = [png(16 + 8 * i, 24 + 4 * i, seed=i) for i in range(6)]
    with Service("--memory", "200M") as service:
        samples = [[] for _ in range(requests // 1000)]
        count, lock, failures = [0], threading.Lock(), []

        def work():
            connection = http.client.HTTPConnection("127.0.0.1", service.port)
            while True:
                with lock:
                    number = count[0]
                    count[0] += 1
                if number >= requests:
                    return
                path = "/v1/upscale?scale=%d&format=%s" % (2 + number % 3, ("png", "jpg", "webp", "tiff")[number % 4])
                connection.request("POST", path, pictures[number % len(pictures)])
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    failures.append(answer.status)
                if number % 20 == 0:
                    samples[number // 1000].append(service.resident()[0])

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    medians = [statistics.median(s) for s in samples]
    for index, value in enumerate(medians):
        print("requests %5d...%5d  %.1f MiB" % (index * 1000, index * 1000 + 999, value / 2 ** 20))
    ratio = medians[-1] / medians[1]
    print("last thousand / second thousand: %.4f, failures: %s" % (ratio, failures[:5]))
    return 0 if not failures and ratio <= 1.02 else 1


if __name__ == "__main__":
    sys.exit(main())
