# make demo [PHOTO=mine.jpg] [MODEL=lite-x3] [MEMORY=64M]   make test   make build   make install [PREFIX=/usr/local]
# make check-service [LOAD=--load]   make check-formats   make check-libraries   make check-scale   make check-gpu   make wheel   make format   make lint
# make bench [MODEL=lite-x3] [SIZE=480x360]   make clean

PREFIX ?= /usr/local
SIZE ?= 480x360

# The demo reads these from the environment, so that a path may hold spaces.
export PHOTO MODEL MEMORY OUTPUT

VERSION = $(shell sed -n 's/.*enlargerVersion = "\(.*\)"/\1/p' Sources/Enlarger/Version.swift)

.PHONY: demo test check-service check-formats check-libraries check-scale check-gpu wheel library build packages install format lint bench clean
.DEFAULT_GOAL := build

packages:
	@scripts/install-packages

build: packages
	swift build -c release --product enlarge

demo: build
	@scripts/demo

test: packages
	swift test

check-gpu: build
	@scripts/install-test-packages
	scripts/build-shaders --check
	scripts/gpu-check --smoke

check-scale: build
	@scripts/install-test-packages
	scripts/check-scale

check-service: build
	@scripts/install-test-packages
	scripts/check-service $(LOAD)

check-formats: build
	@scripts/install-test-packages
	scripts/check-formats

# libenlarger.so: stands alone but for the libraries of the system.
library: build
	swift build -c release --product enlarger

wheel: library
	python/build-wheel

check-libraries: library
	@scripts/install-test-packages
	scripts/check-libraries

bench: build
	.build/release/enlarge bench -m "$${MODEL:-lite-x3}" --size $(SIZE)

install: library
	install -d $(foreach folder,bin lib/pkgconfig include share/enlarger/models,"$(DESTDIR)$(PREFIX)/$(folder)")
	install -m 755 .build/release/enlarge "$(DESTDIR)$(PREFIX)/bin/enlarge"
	install -m 644 -s .build/release/libenlarger.so "$(DESTDIR)$(PREFIX)/lib/libenlarger.so.$(VERSION)"
	ln -sf libenlarger.so.$(VERSION) "$(DESTDIR)$(PREFIX)/lib/libenlarger.so.0"
	ln -sf libenlarger.so.0 "$(DESTDIR)$(PREFIX)/lib/libenlarger.so"
	install -m 644 Sources/CEnlarger/include/enlarger.h "$(DESTDIR)$(PREFIX)/include/enlarger.h"
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' Sources/CInterface/enlarger.pc.in > "$(DESTDIR)$(PREFIX)/lib/pkgconfig/enlarger.pc"
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
