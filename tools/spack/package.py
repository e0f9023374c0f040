from spack.package import *


class Allgrad(MesonPackage):
    """Fits models to data that is spread over MPI ranks: expression graphs over xtensor arrays, differentiated in
    reverse and forward mode through every allreduce, compiled, and handed to optimizers."""

    license("MIT")

    version("main", branch="main")

    variant("tests", default=False, description="Build and run the test suite")
    variant("examples", default=False, description="Build examples and tools")

    depends_on("cxx", type="build")
    depends_on("meson@1.0:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi@3:")
    depends_on("fmt@9:")
    depends_on("xtensor@0.24:0.25")
    depends_on("xsimd@8:")
    depends_on("xbyak", when="target=x86_64:")
    depends_on("boost@1.74:")
    depends_on("hdf5@1.10:")
    depends_on("cfitsio@4:")
    depends_on("yaml-cpp@0.7:")
    depends_on("random123")
    depends_on("lbfgsb@3:")
    depends_on("eigen@3.4:")
    depends_on("nlohmann-json@3.11:")
    depends_on("cli11@2:", when="+examples")
    depends_on("catch2@2:", type="test", when="+tests")
    depends_on("rapidcheck", type="test", when="+tests")

    conflicts("%gcc@:11", msg="allgrad needs C++20 as g++ 12 has it")

    def meson_args(self):
        def feature(name):
            return f"-D{name}={'enabled' if self.spec.satisfies('+' + name) else 'disabled'}"

        return [feature("tests"), feature("examples")]
