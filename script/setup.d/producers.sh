# shellcheck shell=bash
# What the examples of producers need, fetched here so that the tests run them without a network: the Python packages in an
# environment of their own in the cache, the jars where Maven puts them in this checkout. Cargo has the crates.
# Sourced by script/setup. Needs: root, say, fail, jars_maven, producer_python.

producers_requirements=$root/examples/producers/python/requirements.txt
producers_pom=$root/examples/producers/java/pom.xml
producers_jars=$root/examples/producers/java/target/dependency

producers_have_python() { "$producer_python/bin/python" -c 'import confluent_kafka.schema_registry.avro' 2>/dev/null; }
producers_have_jars() { [ -d "$producers_jars" ] && [ ! "$producers_pom" -nt "$producers_jars" ]; }
producers_present() { producers_have_python && producers_have_jars; }

# pip installs only what has the sums of the requirements.
producers_fetch_python() {
  say "fetching the Python packages of the example into $producer_python (90 MB, some seconds)"
  rm -rf "$producer_python"
  python3 -m venv "$producer_python"
  "$producer_python/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$producers_requirements" >&2 ||
    fail "pip could not install $producers_requirements"
}

# They are some of the servers' jars, and have their sums.
producers_fetch_jars() {
  local sum jar
  rm -rf "$producers_jars"
  jars_maven -f "$producers_pom" dependency:copy-dependencies
  while read -r sum jar; do
    grep -q "^$sum  .*/$jar\$" "$root/script/stack.d/jars.sha256" || fail "$jar in $producers_jars is none of script/stack.d/jars.sha256"
  done < <(cd "$producers_jars" && sha256sum -- *.jar)
}

producers_fetch() {
  producers_have_python || producers_fetch_python
  producers_have_jars || producers_fetch_jars
}
