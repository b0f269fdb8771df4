"""A test of a WebDAV client with Python's standard library: python3 lab.py DAV207 runs "DAV207 lab"."""
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET


class Lab:
    def __init__(self, program):
        self.dir = tempfile.TemporaryDirectory()
        ready = os.path.join(self.dir.name, "ready")
        self.process = subprocess.Popen([program, "lab", "--ready-file", ready, "--with-parent"],
                                        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        while not os.path.exists(ready):
            time.sleep(0.01)
        with open(ready) as f:
            urls = json.load(f)
        self.url, self.api = urls["url"], urls["control"]

    def control(self, method, path, body=""):
        request = urllib.request.Request(self.api + path, method=method, data=body.encode())
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.dir.cleanup()


def delete(url):
    """The client under test: the hrefs that could not be deleted, with their statuses."""
    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE")) as answer:
        if answer.status != 207:
            return {}
        return {r.findtext("{DAV:}href"): int(r.findtext("{DAV:}status").split()[1]) for r in ET.parse(answer).getroot()}


class Test(unittest.TestCase):
    def setUp(self):
        lab.control("POST", "reset")
        lab.control("PUT", "tree", "-- /c/1 --\none\n-- /c/2 --\ntwo\n")

    def test_member(self):
        lab.control("POST", "faults", json.dumps({"faults": [{"method": "DELETE", "path": "/c/2", "status": 403}]}))
        self.assertEqual(delete(lab.url + "c/"), {"/c/2": 403})
        self.assertEqual(lab.control("GET", "tree").split("-- times --")[0], "-- /c/ --\n-- /c/2 --\ntwo\n")
        self.assertEqual(json.loads(lab.control("GET", "faults"))["faults"][0]["fired"], 1)

    def test_retry(self):
        lab.control("POST", "faults", json.dumps({"faults": [{"path": "/c", "times": 1, "wire": {"unavailable": "2s"}}]}))
        with self.assertRaises(urllib.error.HTTPError) as refused:
            delete(lab.url + "c/")
        self.assertEqual((refused.exception.code, refused.exception.headers["Retry-After"]), (503, "2"))
        refused.exception.close()
        self.assertEqual(delete(lab.url + "c/"), {})

    def test_mistake(self):
        with self.assertRaises(urllib.error.HTTPError) as refused:
            lab.control("POST", "faults", '{"faults": [\n{"path": "c"}]}')
        self.assertIn("line 2", json.load(refused.exception)["error"])
        refused.exception.close()


lab = Lab(sys.argv.pop())
try:
    unittest.main()
finally:
    lab.close()
