"""The shell's subcommands, a module an area. They import what they run only when they run it, so that --help is quick."""
