# Java servers of the test stack. Sourced by script/setup.
jars_fetch() { :; }
