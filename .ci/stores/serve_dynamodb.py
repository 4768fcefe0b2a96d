#!/usr/bin/env python3
"""PORT: moto's DynamoDB on 127.0.0.1, one request at a time: by itself it changes an item in several threads at once."""

import sys

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=False)
