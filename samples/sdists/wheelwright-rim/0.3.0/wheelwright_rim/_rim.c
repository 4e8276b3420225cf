/* The weight of a rim whose thickness varies, summed in slices by several threads (OpenMP). */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <omp.h>

static const double PI = 3.14159265358979323846;

PyDoc_STRVAR(weight_doc,
"weight(radius, thickness, waviness, slices=1000000)\n"
"\n"
"The volume of a ring of this radius; its thickness swings by `waviness` (0 to 1) around the rim.");

static PyObject *
weight(PyObject *module, PyObject *args)
{
    double radius, thickness, waviness, sum = 0.0;
    long slices = 1000000;
    (void)module;
    if (!PyArg_ParseTuple(args, "ddd|l:weight", &radius, &thickness, &waviness, &slices))
        return NULL;
    if (slices < 1) {
        PyErr_SetString(PyExc_ValueError, "slices must be at least 1");
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    #pragma omp parallel for reduction(+:sum)
    for (long slice = 0; slice < slices; slice++) {
        double here = thickness * (1.0 + waviness * sin(2.0 * PI * slice / slices));
        sum += PI * here * here / 4.0;
    }
    Py_END_ALLOW_THREADS
    return PyFloat_FromDouble(sum * 2.0 * PI * radius / slices);
}

PyDoc_STRVAR(threads_doc, "threads()\n\nHow many threads the sum is shared by at most.");

static PyObject *
threads(PyObject *module, PyObject *args)
{
    (void)module;
    (void)args;
    return PyLong_FromLong(omp_get_max_threads());
}

static PyMethodDef methods[] = {
    {"weight", weight, METH_VARARGS, weight_doc},
    {"threads", threads, METH_NOARGS, threads_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_rim", NULL, -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__rim(void)
{
    return PyModule_Create(&definition);
}
