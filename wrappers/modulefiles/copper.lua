-- Copper: a read-only cooperative cache for the nodes of a job. Installed as share/modulefiles/copper/<version>.lua; the
-- installation is found from there, so that it may be moved.
whatis("Name: Copper")
whatis("Description: read-only cooperative cache: each file is read from storage once for all nodes of a job")
help([[
  launch_copper.sh     start Copper on every node of the job; see launch_copper.sh(1)
  stop_copper.sh       end it
  copper               status, stats, clear, doctor ...; see copper(1)
]])

local home = myFileName():match("^(.*)/share/modulefiles/copper/[^/]*$")
setenv("COPPER_HOME", home)
prepend_path("PATH", home .. "/bin")
prepend_path("MANPATH", home .. "/share/man")
append_path("MANPATH", "") -- the system's own pages too
