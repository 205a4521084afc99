# make demo [PHOTO=mine.jpg] [MODEL=lite-x3] [MEMORY=64M]   make test   make build   make install [PREFIX=/usr/local]
# make check-service [LOAD=--load]   make check-formats   make check-scale   make format   make lint   make bench [MODEL=lite-x3] [SIZE=480x360]   make clean

PREFIX ?= /usr/local
SIZE ?= 480x360

# The demo reads these from the environment, so that a path may hold spaces.
export PHOTO MODEL MEMORY OUTPUT

.PHONY: demo test check-service check-formats check-scale build packages install format lint bench clean
.DEFAULT_GOAL := build

packages:
	@scripts/install-packages

build: packages
	swift build -c release --product enlarge

demo: build
	@scripts/demo

test: packages
	swift test

check-scale: build
	@scripts/install-test-packages
	scripts/check-scale

check-service: build
	@scripts/install-test-packages
	scripts/check-service $(LOAD)

check-formats: build
	@scripts/install-test-packages
	scripts/check-formats

bench: build
	.build/release/enlarge bench -m "$${MODEL:-lite-x3}" --size $(SIZE)

install: build
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/share/enlarger/models"
	install -m 755 .build/release/enlarge "$(DESTDIR)$(PREFIX)/bin/enlarge"
	for model in models/*.safetensors; do \
		[ ! -f "$$model" ] || install -m 644 "$$model" "$(DESTDIR)$(PREFIX)/share/enlarger/models/" || exit 1; \
	done

format:
	swift format --in-place --recursive --parallel Package.swift Sources Tests

lint:
	swift format lint --strict --recursive --parallel Package.swift Sources Tests

clean:
	swift package clean
	rm -rf build
